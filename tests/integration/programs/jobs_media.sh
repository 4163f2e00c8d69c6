# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# Pictures, films and sound: vector code, and threads of libraries.

need_imagemagick() { need convert; }
job_imagemagick() {
    traced convert -size 200x200 gradient:red-blue -blur 0x3 -resize 50% -rotate 30 -strip out.bmp
    traced convert out.bmp -format '%w %h %k\n' info:
    traced convert no_such_file out.gif
}

need_graphviz() { need dot neato; }
job_graphviz() {
    { echo 'digraph g {'; for ((i = 0; i < 40; i++)); do echo "n$i -> n$((i * 7 % 13))"; done; echo '}'; } >graph
    traced dot -Tsvg graph
    traced neato -Tplain graph
    traced dot -Tsvg <<<'digraph {'
}

need_ffmpeg() { need ffmpeg; }
job_ffmpeg() {
    ffmpeg -v error -nostdin -f lavfi -i testsrc=s=160x120:d=1 -f lavfi -i sine=d=1 -c:v mpeg4 -bitexact -threads 1 \
        film.avi
    traced ffmpeg -v error -nostdin -i film.avi -threads 3 -vf scale=80:60 -bitexact -f framemd5 -
}

need_sox() { need sox; }
job_sox() {
    traced sox -R -n -r 8000 -b 16 sound.wav synth 2 sine 300-600 reverb
    traced sox sound.wav -n stat
}
