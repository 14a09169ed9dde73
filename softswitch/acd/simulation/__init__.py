"""The ACD on virtual time: callers, agents and their behaviour around the engine that runs live."""
