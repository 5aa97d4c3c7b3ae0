#!/usr/bin/env bash
# Makes examples/library anew: every byte of it is generated here, so there is no one to credit and nothing to license.
# Needs ImageMagick 6, ffmpeg, exiftool and cwebp; its result is committed, so nobody who uses stowage needs any of them.
# Dates, stars and keywords come from library.tsv.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8 TZ=UTC
out=library
rm -rf "$out"
mkdir -p "$out"

# --- pixels, sound and paper ---------------------------------------------------------------------------------------

make() { mkdir -p "$out/$(dirname "$1")"; }

# photo FILE SEED WIDTHxHEIGHT DARK LIGHT: a landscape of two colours with clouds of noise in it
photo() {
  make "$1"
  convert -size "$3" -seed "$2" gradient:"$4"-"$5" \( -size "$3" -seed "$2" plasma:"$5"-"$4" -blur 0x3 \) \
    -compose softlight -composite -modulate 100,130 -seed "$2" -attenuate 0.08 +noise Gaussian \
    -strip -sampling-factor 4:2:0 -quality 72 "$out/$1"
}

# artwork FILE SEED SIZE COLOUR COLOUR TEXT: flat shapes with a caption, few colours, as PNG
artwork() {
  make "$1"
  convert -size "$3" -seed "$2" plasma:"$4"-"$5" -blur 0x6 -swirl $((40 + $2 * 13 % 200)) -gravity south -fill white \
    -font DejaVu-Sans-Bold -pointsize 22 -annotate +0+14 "$6" -strip +dither -colors 48 -define png:compression-level=9 "PNG8:$out/$1"
}

webp() {
  make "$1"
  photo "$1.jpg" "$2" "$3" "$4" "$5"
  cwebp -quiet -q 70 "$out/$1.jpg" -o "$out/$1"
  rm "$out/$1.jpg"
}

# film FILE SECONDS SOURCE: a short silent clip from one of ffmpeg's own sources
film() {
  make "$1"
  ffmpeg -nostdin -v error -y -f lavfi -i "$3" -t "$2" -c:v libx264 -preset slow -crf 30 -pix_fmt yuv420p -fflags +bitexact -movflags +faststart "$out/$1"
}

sound() {
  make "$1"
  ffmpeg -nostdin -v error -y -f lavfi -i "$3" -t "$2" -ac 1 -ar 16000 -c:a pcm_s16le -metadata title="$4" -metadata date="$5" -fflags +bitexact "$out/$1"
}

# paper FILE TITLE LINE…: one page of PDF, set in the reader's own serif
paper() {
  make "$1"
  node -e '
    const [title, ...lines] = process.argv.slice(1);
    const text = (size, y, line) => `BT /F1 ${size} Tf 56 ${y} Td (${line.replace(/[\\()]/g, "\\$&")}) Tj ET`;
    const content = [text(24, 760, title), ...lines.map((line, i) => text(13, 710 - 22 * i, line))].join("\n");
    const objects = [
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
      "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
    ];
    let pdf = "%PDF-1.4\n";
    const offsets = objects.map((object, i) => { const at = pdf.length; pdf += `${i + 1} 0 obj\n${object}\nendobj\n`; return at; });
    const start = pdf.length;
    pdf += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map((at) => `${String(at).padStart(10, "0")} 00000 n \n`).join("")}`;
    pdf += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`;
    process.stdout.write(pdf);
  ' "${@:2}" > "$out/$1"
}

photo client-acme/hero/hero-01.jpg 11 800x600 '#1d2b44' '#f0b67f'
photo client-acme/hero/hero-02.jpg 12 800x600 '#2d1d44' '#f07f9a'
webp 'client-acme/hero/hero 03 final.webp' 13 800x600 '#0f2e2a' '#d9e76c'
artwork client-acme/hero/hero-04.png 14 640x480 '#402a6b' '#ff9e64' 'ACME one'
photo client-acme/deliverable/banner-1200x400.jpg 15 1200x400 '#1d2b44' '#f0b67f'
webp client-acme/deliverable/banner-600x200.webp 15 600x200 '#1d2b44' '#f0b67f'
film client-acme/deliverable/cutdown-6s.mp4 6 'gradients=size=480x270:rate=24:seed=21:c0=0x1d2b44:c1=0xf0b67f:speed=0.02'
sound client-acme/deliverable/voice-over.wav 2.5 'aevalsrc=0.3*sin(2*PI*(140+30*sin(3*t))*t)*abs(sin(5*t))' 'ACME voice-over' 2024-03-04
paper 'client-acme/deliverable/style guide.pdf' 'ACME style guide' 'Colours: night #1d2b44, sand #f0b67f.' 'Type: DejaVu Serif, never smaller than 13.' 'The logo keeps its own width free on every side.'
artwork client-acme/draft/moodboard-a.png 16 480x360 '#14213d' '#fca311' 'mood A'
artwork client-acme/draft/moodboard-b.png 17 480x360 '#5f0f40' '#fb8b24' 'mood B'
film client-acme/draft/cutdown-rough.mp4 4 'life=size=320x180:rate=12:seed=7:mold=8:life_color=0xf0b67f:mold_color=0x1d2b44'
photo client-borealis/hero/aurora-01.jpg 21 800x600 '#03111f' '#3ddc97'
webp client-borealis/hero/aurora-02.webp 22 800x600 '#03111f' '#7b5cff'
artwork client-borealis/deliverable/poster.png 23 480x680 '#03111f' '#3ddc97' 'BOREALIS'
film client-borealis/deliverable/teaser.mp4 5 'gradients=size=480x270:rate=24:seed=33:c0=0x03111f:c1=0x3ddc97:c2=0x7b5cff:n=3:speed=0.03'
sound client-borealis/deliverable/jingle.wav 2 'aevalsrc=0.25*sin(2*PI*440*t)*exp(-3*mod(t\,0.5))+0.2*sin(2*PI*660*t)*exp(-4*mod(t\,0.25))' 'Borealis jingle' 2024-06-21
paper client-borealis/draft/storyboard.pdf 'Borealis storyboard' '1. Night. Snow. Nothing moves.' '2. A green line over the ridge.' '3. The line becomes a curtain; the title.'
make client-borealis/draft/aurora-test.gif
convert -delay 12 -loop 0 \( -size 240x160 -seed 1 plasma:'#03111f-#3ddc97' \) \( -size 240x160 -seed 2 plasma:'#03111f-#3ddc97' \) \
  \( -size 240x160 -seed 3 plasma:'#03111f-#7b5cff' \) -blur 0x5 +dither -colors 16 "$out/client-borealis/draft/aurora-test.gif"
photo personal/2023-iceland/IMG_0412.jpg 31 720x480 '#22333b' '#c6d8d3'
photo personal/2023-iceland/IMG_0413.jpg 32 720x480 '#22333b' '#e0e1dd'
photo personal/2023-iceland/IMG_0431.jpg 33 720x480 '#0d1b2a' '#e07a5f'
photo personal/2023-iceland/IMG_0440.jpg 34 720x480 '#3d405b' '#81b29a'
photo 'personal/2024-zürich/Zürich am See.jpg' 41 720x480 '#0b3954' '#bfd7ea'
photo 'personal/2024-zürich/Limmat bei Nacht.jpg' 42 720x480 '#0b132b' '#ffc857'
webp personal/東京/夜景.webp 43 720x480 '#10002b' '#ff006e'
film renders/turntable-01.mp4 4 'mandelbrot=size=320x240:rate=24:start_scale=2:end_scale=0.6:end_pts=96'
film renders/turntable-02.mp4 4 'sierpinski=size=320x240:rate=24:seed=5:type=carpet'
film renders/turntable-03.mp4 3 'mandelbrot=size=320x240:rate=24:start_x=-0.74:start_y=-0.13:start_scale=0.5:end_scale=0.1:end_pts=72'
for i in 1 2 3 4; do artwork "renders/frames/frame_000$i.png" $((50 + i)) 320x240 '#22223b' '#f2e9e4' "frame $i"; done
paper legal/contract-acme.pdf 'Contract: ACME' 'Ten stills, two films, one style guide.' 'The pictures stay with the maker until they are paid.' 'Signed in January 2024.'
paper legal/model-release.pdf 'Model release' 'Nobody is in the pictures: they are noise and gradients.'
artwork tmp/mask-old.png 61 320x240 black white mask
artwork tmp/mask-new.png 62 320x240 black white mask

# --- text, a model, an empty file ------------------------------------------------------------------------------------

write() { make "$1"; cat > "$out/$1"; }

write client-acme/brief.md <<'TEXT'
# ACME: spring campaign

Four hero pictures, a banner in two sizes, a six second film with voice-over, a style guide.
What lies in `deliverable/` has gone to the client and must exist twice from that day on.
TEXT
write client-borealis/brief.md <<'TEXT'
# Borealis: teaser for the winter

One poster, one film of five seconds, one jingle. Night, snow, green light.
TEXT
write personal/diary.md <<'TEXT'
# Diary

- Lake, late sun, nobody swimming.
- Sorted Iceland again. `IMG_0431` is the one.
TEXT
write notes/ideas.md <<'TEXT'
# Ideas

1. A poster that is only noise and two colours.
2. A film that is one slow gradient.
3. Do not buy another disk. Sort the ones you have.
TEXT
write notes/prompts.md <<'TEXT'
# Prompts that worked

- `turntable of a paper lantern, studio light, seed 51`
- `aurora over a black ridge, long exposure, seed 23`
TEXT
write notes/shot-list.md <<'TEXT'
# Shot list

| # | picture | state |
|---|---------|-------|
| 1 | lantern, front | done |
| 2 | lantern, from above | to do |
TEXT
write legal/font-licence.txt <<'TEXT'
The captions are set in DejaVu Sans, whose licence allows use, embedding and change.
TEXT
write tmp/render.log <<'TEXT'
01:00:00 frame 1
01:00:05 frame 2
01:00:10 frame 3
01:00:15 frame 4
01:00:16 done
TEXT
write tmp/render.lock </dev/null
make models/aurora-style.safetensors
node -e '
  const rank = 4, width = 64;
  const header = JSON.stringify({
    __metadata__: { format: "pt", base_model: "none", note: "a LoRA in form only" },
    "lora_down.weight": { dtype: "F32", shape: [rank, width], data_offsets: [0, rank * width * 4] },
    "lora_up.weight": { dtype: "F32", shape: [width, rank], data_offsets: [rank * width * 4, 2 * rank * width * 4] },
  });
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const weights = Float32Array.from({ length: 2 * rank * width }, (_, i) => Math.sin(i) / 8);
  process.stdout.write(Buffer.concat([size, text, Buffer.from(weights.buffer)]));
' > "$out/models/aurora-style.safetensors"

# --- EXIF and XMP -----------------------------------------------------------------------------------------------------

cameras=('Canon|Canon EOS R6|RF24-70mm F2.8 L IS USM' 'FUJIFILM|X-T5|XF23mmF1.4 R LM WR' 'SONY|ILCE-7M4|FE 35mm F1.4 GM')
index=0
while IFS=$'\t' read -r modified stars keywords path; do
  [[ $modified == '#'* ]] && continue
  [[ $path == 'client-acme/deliverable/key-visual.jpg' || $path == 'tmp/hero-01 (copy).jpg' ]] && continue # copies, below
  arguments=(-q -q -overwrite_original -charset filename=UTF8)
  [[ $stars != - ]] && arguments+=("-XMP-xmp:Rating=$stars")
  if [[ $keywords != - ]]; then
    IFS=, read -ra words <<<"$keywords"
    for word in "${words[@]}"; do arguments+=("-XMP-dc:Subject=$word"); done
  fi
  dated=$modified
  [[ $modified == *ago ]] && dated=''
  if [[ -n $dated ]]; then
    stamp=$(date -u -d "$dated" '+%Y:%m:%d %H:%M:%S')
    arguments+=("-XMP-xmp:CreateDate=$stamp+00:00")
  fi
  case $path in
    *.jpg | *.webp)
      IFS='|' read -r brand model lens <<<"${cameras[index++ % 3]}"
      arguments+=("-Make=$brand" "-Model=$model" "-LensModel=$lens" -ExposureTime=1/$((60 * (1 + index % 8))) "-FNumber=$((2 + index % 5)).8" "-ISO=$((100 << index % 4))"
        "-FocalLength=$((24 + index % 5 * 11))" "-DateTimeOriginal=$stamp" "-CreateDate=$stamp" -OffsetTimeOriginal=+00:00 -Artist='stowage examples' -Orientation#=1) ;;
    *.png) [[ $keywords == *ai-generated* ]] && arguments+=("-PNG:Description=paper lantern, studio light; steps 20, sampler Euler, CFG scale 7, seed $((1000 + index++))" -XMP-iptcExt:DigitalSourceType=http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia) ;;
    *.mp4) [[ -n $dated ]] && arguments+=("-QuickTime:CreateDate=$stamp" "-QuickTime:ModifyDate=$stamp") ;;
    *.pdf) arguments+=("-PDF:Title=$(basename "$path" .pdf)" "-PDF:CreateDate=$stamp+00:00" "-PDF:Author=stowage examples") ;;
    *.gif) ;;
    *) continue ;;
  esac
  exiftool "${arguments[@]}" "$out/$path"
done < library.tsv

# One picture under three names: the hero, what the client got, and a copy that somebody left behind.
cp "$out/client-acme/hero/hero-01.jpg" "$out/client-acme/deliverable/key-visual.jpg"
cp "$out/client-acme/hero/hero-01.jpg" "$out/tmp/hero-01 (copy).jpg"

diff <(cut -f4 -s library.tsv | grep -v '^path$' | sort) <(cd "$out" && find . -type f | cut -c3- | sort) || { echo 'library.tsv and the library differ' >&2; exit 1; }
find "$out" -type f -exec chmod 644 {} +
du -sb "$out"
