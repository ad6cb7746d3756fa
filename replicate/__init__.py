"""The replicator's room: rerunning a study's setup on public images. Not part of this release.

The database already has its tables (``run``, ``run_setting``, ``run_metric``); no code here runs
anything yet, and no command pretends to.
"""
