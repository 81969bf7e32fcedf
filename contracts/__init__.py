"""The words the services share: events, their envelope, and the ids they carry. Standard library and pydantic only."""
