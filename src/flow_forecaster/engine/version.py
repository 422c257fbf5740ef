"""Two engines of one version give the same bytes for the same request and seed."""

ENGINE_VERSION = "2.3"
