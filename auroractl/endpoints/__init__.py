"""The endpoint process: accepts client connections at stable addresses and forwards them."""
