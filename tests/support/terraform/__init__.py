"""Terraform without Google: a stand-in of its provider, made of the provider's published schema."""
