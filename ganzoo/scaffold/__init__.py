"""What `ganzoo plugin new` writes: one template a folder, as code that runs where it stands.

`ganzoo.scaffolding` puts the author's names in place of `newborn` and of the folder's own module. `package/` holds what
is around the code.
"""
