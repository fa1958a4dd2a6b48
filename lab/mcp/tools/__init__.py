"""The tools, one file for each observer; a tool is a method that lab/mcp/tool.py marks."""
