"""The ways in which data arrives, one module or package each.

    rest.py       REST        by GET, conditionally         shares `polling` and `http` with SOAP
    soap.py       SOAP        by a service's own WSDL
    websocket/    WebSocket   STOMP inside SockJS
    ftp.py        FTP         new and changed files, plain and with TLS
    sns/          AWS SNS     files announced by a queue; messages pushed to an endpoint
    drop_folder/  file        files that the desk's people and programs hand in

`energy_platform.market.feed` has the contract that all of them keep; `access_token` logs a feed in
by OAuth. A feed brings bytes and keeps its cursor; it never looks at columns. The modules of
`energy_platform.sources` say what the bytes mean.
"""
