"""identity.actions: what may be asked of the identity service: log in, validate and revoke tokens, manage users, projects, roles and grants."""
