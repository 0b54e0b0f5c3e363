# The two commands: `make demo` runs the main job, `make test` passes the tests. Both do all the set-up, need neither
# root nor a running server, and keep what they fetch under ~/.cache/andiron.

.PHONY: demo test setup verify fix

demo:
	@cargo xtask demo

test:
	@cargo xtask test

# After this, plain `cargo build` works.
setup:
	@cargo xtask setup

verify: setup
	@cargo xtask verify

fix:
	@cargo xtask fix
