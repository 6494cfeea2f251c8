"""What a command talks to: a Protocol of verbs; `local` asks the supervisor."""
