"""The MCP server for agents: its tools as commands of kbatch, each with the arguments that an agent may choose."""
