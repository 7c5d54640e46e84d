"""The demo subject: an animal that this project invented and draws itself."""
