"""Invoices as PDF, by reportlab."""

from io import BytesIO
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from store.models import Order

STYLES = getSampleStyleSheet()
GRID = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, 0), 1, colors.black),
        ("LINEABOVE", (0, -1), (-1, -1), 1, colors.black),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("FONTNAME", (0, -1), (-1, -1), "Helvetica-Bold"),
    ]
)


def pdf(order: Order) -> bytes:
    """The whole file."""
    lines = order.lines.select_related("product")
    rows = [
        ["Product", "Quantity", "Price", "Sum"],
        *([line.product.name, str(line.quantity), f"{line.price} EUR", f"{line.total} EUR"] for line in lines),
        ["Total", "", "", f"{order.total} EUR"],
    ]
    title = f"Invoice for order {order.pk}"
    customer = [order.name, *order.address.splitlines()]
    text = STYLES["Normal"]
    file = BytesIO()
    SimpleDocTemplate(file, pagesize=A4, title=title, author="Harbour Goods").build(
        [
            Paragraph("Harbour Goods", text),
            Paragraph(title, STYLES["Title"]),
            # Paragraphs are markup to reportlab, and a customer may be called anything.
            Paragraph("<br/>".join(map(escape, customer)), text),
            Spacer(1, 24),
            Table(rows, colWidths=[220, 70, 80, 80], style=GRID),
            Spacer(1, 24),
            Paragraph(f"Ordered on {order.placed_at:%d %B %Y}; paid, charge {escape(order.charge)}. Thank you!", text),
        ]
    )
    return file.getvalue()
