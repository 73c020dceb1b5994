"""The desk's signals: a module for each, with one `Signal` value; a new file is a new signal."""
