"""Parameter groups: which server parameters can be changed, their values, and the order of restarts."""
