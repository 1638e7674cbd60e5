# SPDX-License-Identifier: Apache-2.0
clean:
	rm -rf $(B) compile_commands.json
