"""Helpers that several tests share: sessions for feeds, worlds on free ports."""
