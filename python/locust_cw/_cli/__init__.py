"""The command `locust-cw`: a module for each sub-command, and what several of them share."""
