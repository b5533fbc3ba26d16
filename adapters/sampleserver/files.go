package sampleserver

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// pdf is a document of one page with a heading and lines of text.
func pdf(name, heading string, lines ...string) file {
	var page strings.Builder
	fmt.Fprintf(&page, "BT /F1 20 Tf 72 760 Td (%s) Tj /F1 12 Tf", escaped(heading))
	for _, l := range lines {
		fmt.Fprintf(&page, " 0 -24 Td (%s) Tj", escaped(l))
	}
	page.WriteString(" ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", page.Len(), page.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
	}
	b := bytes.NewBufferString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
	return file{name: name, kind: "application/pdf", octets: b.Bytes()}
}

// escaped writes text as a string of PDF in WinAnsiEncoding.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(text)
	out, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil { // only our own texts come here
		return strings.Map(func(c rune) rune { return min(c, '~') }, text)
	}
	return out
}

// picture is a small painted landscape in one hue of 0 to 359 degrees.
func picture(name string, hue int) file {
	const width, height = 240, 150
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		far := 70 + 14*math.Sin(float64(x+hue)/23) + 6*math.Sin(float64(x)/7)
		near := 105 + 18*math.Sin(float64(x+2*hue)/41)
		for y := range height {
			light := 0.92 - float64(y)/600
			switch {
			case float64(y) > near:
				light = 0.30
			case float64(y) > far:
				light = 0.52
			}
			img.Set(x, y, shade(hue, light))
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a Buffer takes everything
	return file{name: name, kind: "image/png", octets: b.Bytes()}
}

// shade is a colour of a hue and a lightness of 0 to 1.
func shade(hue int, light float64) color.RGBA {
	channel := func(shift int) uint8 {
		wave := 0.5 + 0.5*math.Cos(float64(hue-shift)*math.Pi/180)
		return uint8(255 * light * (0.6 + 0.4*wave))
	}
	return color.RGBA{channel(0), channel(120), channel(240), 255}
}
