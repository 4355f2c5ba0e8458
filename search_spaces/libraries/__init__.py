"""Spaces of other libraries' configurations: `timm:NAME?ARGUMENT=VALUE|VALUE` and `transformers:TYPE?…`."""
