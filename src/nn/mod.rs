//! The networks and their training (see each module).
