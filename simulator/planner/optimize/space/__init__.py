"""Every way to deploy a service, as arrays, and the bound for any plan."""
