"""The only way to addresses that users supply: callbacks and fetches, later destinations.

`url` judges an address when it is registered, so that a client hears early of what can never work. What guards is `client`:
it judges the address that is really dialled, at each connection, whatever the host's spelling and whatever DNS answers that
time. https://github.com/stripe/smokescreen is the model; the denied ranges are its and Svix's.
"""
