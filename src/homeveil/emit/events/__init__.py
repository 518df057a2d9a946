"""Where desk events go: a file, standard output, a webhook, an MQTT broker.

``places`` reads what the caller asks for, ``delivery`` carries events there from a ``spool``
that survives a restart, and one module for each kind of place does the last step.
"""

TOKEN, USERNAME, PASSWORD = (
    "HOMEVEIL_EVENTS_TOKEN",
    "HOMEVEIL_MQTT_USERNAME",
    "HOMEVEIL_MQTT_PASSWORD",
)
"""Names of the environment in which secrets are."""
