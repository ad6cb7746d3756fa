"""Methods on several image sets under equal conditions."""
