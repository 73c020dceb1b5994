"""The WSDL of a SOAP service, made from the calls of a source.

A source says which operations it calls, and with which parameters; the service has no others.
"""

from datetime import datetime
from typing import Final

from lxml import etree
from lxml.builder import ElementMaker

from energy_platform.feeds.soap import SoapFeed, SoapVersion

_WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
_XSD: Final = "http://www.w3.org/2001/XMLSchema"
_BINDINGS: Final = {
    SoapVersion.V1_1: "http://schemas.xmlsoap.org/wsdl/soap/",
    SoapVersion.V1_2: "http://schemas.xmlsoap.org/wsdl/soap12/",
}
_HTTP: Final = "http://schemas.xmlsoap.org/soap/http"
_SERVICE: Final = "urn:simulated"


def wsdl(feed: SoapFeed, now: datetime) -> bytes:
    """Return the WSDL of a service with all operations that a feed calls."""
    soap = _BINDINGS[feed.version]
    made = ElementMaker(namespace=_WSDL, nsmap={None: _WSDL, "t": _SERVICE, "s": soap, "x": _XSD})
    bound = ElementMaker(namespace=soap)
    operations = _operations(feed, now)
    document = made.definitions(
        made.types(_schema(operations)),
        *(
            made.message(made.part(name="parameters", element=f"t:{name}"), name=name)
            for operation in operations
            for name in (operation, f"{operation}Response")
        ),
        made.portType(
            *(
                made.operation(
                    made.input(message=f"t:{name}"),
                    made.output(message=f"t:{name}Response"),
                    name=name,
                )
                for name in operations
            ),
            name="Port",
        ),
        made.binding(
            bound.binding(transport=_HTTP),
            *(
                made.operation(
                    bound.operation(soapAction=f"{_SERVICE}/{name}", style="document"),
                    made.input(bound.body(use="literal")),
                    made.output(bound.body(use="literal")),
                    name=name,
                )
                for name in operations
            ),
            name="Binding",
            type="t:Port",
        ),
        made.service(
            made.port(bound.address(location=feed.url), name="Port", binding="t:Binding"),
            name="Service",
        ),
        targetNamespace=_SERVICE,
    )
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


def _operations(feed: SoapFeed, now: datetime) -> dict[str, list[str]]:
    """Return the parameters of each operation, by the first name that each is known by."""
    asked = feed.requests(now - feed.span, now + feed.ahead)
    return {
        request.operation: [feed.spellings.get(name, (name,))[0] for name in request.parameters]
        for request in asked
    }


def _schema(operations: dict[str, list[str]]) -> etree._Element:
    xsd = ElementMaker(namespace=_XSD)
    schema: etree._Element = xsd.schema(
        *(
            xsd.element(
                xsd.complexType(
                    xsd.sequence(
                        *(
                            xsd.element(name=parameter, type="x:string", minOccurs="0")
                            for parameter in parameters
                        )
                    )
                ),
                name=name,
            )
            for name, parameters in operations.items()
        ),
        *(
            xsd.element(xsd.complexType(xsd.sequence(xsd.any(processContents="skip"))), name=name)
            for name in (f"{operation}Response" for operation in operations)
        ),
        targetNamespace=_SERVICE,
        elementFormDefault="qualified",
    )
    return schema
