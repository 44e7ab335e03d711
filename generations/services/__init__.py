"""The verbs. What reaches a provider comes in halves around the wire: `begin` gives the call, `finish` takes the reply.

A half is short and never waits for the network, so that one loop can serve thousands; each leaves the row in a state
from which anybody else can go on. Nothing here sends a paid request twice.
"""
