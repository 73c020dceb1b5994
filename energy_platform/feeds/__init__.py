"""The five ways in which market data arrives, one module or package each.

    rest.py       REST        by GET, conditionally         shares `polling` and `http` with SOAP
    soap.py       SOAP        by a service's own WSDL
    websocket/    WebSocket   STOMP inside SockJS
    ftp.py        FTP         new and changed files, plain and with TLS
    sns/          AWS SNS     files announced by a queue; messages pushed to an endpoint

`base` has the contract that all of them keep; `access_token` is how a feed logs in by OAuth. A feed
brings bytes and keeps its place; it never looks at columns. What the bytes mean is said in
`energy_platform.sources`.
"""
