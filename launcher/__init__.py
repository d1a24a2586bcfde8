"""The `./boxloop` command: sets the environment up, then hands over. Standard library only,
for it runs before anything is installed."""
