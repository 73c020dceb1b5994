"""The five ways in which market data arrives: REST, SOAP, WebSocket, FTP and AWS SNS.

A feed brings bytes and keeps its place; it never looks at columns. What the bytes mean is said in
`energy_platform.sources`.
"""
