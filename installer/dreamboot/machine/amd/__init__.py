"""What the kernel's files and AMD's tools tell: one pure parser per form."""
