"""HTTP in: routes as data, from which both the server and the OpenAPI document are made."""
