"""fastkiq inside other libraries' applications: one module each, which imports that library and nothing else does."""
