"""Black-box journeys over HTTP: only addresses and processes are known here, nothing of the code inside them."""
