"""Parameter groups: what they hold, trying values on a server of their own, and applying them to clusters."""
