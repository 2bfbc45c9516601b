"""Plans and demand to SUMO and its verdict; the virtual street. Never reaches a controller."""
