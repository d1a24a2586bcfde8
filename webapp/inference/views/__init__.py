"""Pages for detecting on one's own photos: in a project, or without one ("Try detection now")."""
