"""What each command of ``stopline`` does, one module a command."""
