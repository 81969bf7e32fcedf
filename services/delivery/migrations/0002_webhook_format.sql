-- Webhooks whose body and secret came with the request to send them, signed as their API says.

ALTER TABLE webhooks
    ADD COLUMN format        text NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'uploadcare')),
    ADD COLUMN sealed_secret text; -- the receiver's own; `standard` ones are signed with their tenant's
