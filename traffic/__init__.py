"""The service: sites, store, plan lifecycle, controllers, cases, API, console and commands."""
