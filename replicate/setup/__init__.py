"""From a study or a setup file to a specification with its ledger."""
