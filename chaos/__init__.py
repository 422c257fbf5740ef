"""The battery: faults and attacks on the running service, each with what must hold while they last and after."""
