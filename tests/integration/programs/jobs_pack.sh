# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# Compressors, with one thread and with several, and archives.

need_gzip() { need gzip; need awk; need cmp; }
job_gzip() {
    text 4000 >text
    traced_without_heap gzip -c -n text >text.gz
    traced gzip -d -c text.gz >text.back
    cmp text text.back
    traced gzip -t text
}

need_xz() { need xz; need awk; need cmp; }
job_xz() {
    text 400 >text
    traced xz -0 -T1 -c text >text.xz
    traced xz -d -c text.xz >text.back
    cmp text text.back
    traced xz -t text
}

need_xz_threads() { need xz awk cmp; }
job_xz_threads() {
    text 3000 >text
    traced xz -0 -T4 --block-size=48KiB -c text >text.xz
    traced xz -d -T4 -c text.xz >text.back
    cmp text text.back
}

need_bzip2() { need bzip2 awk cmp; }
job_bzip2() {
    text 3000 >text
    traced bzip2 -1 -c text >text.bz2
    traced bzip2 -d -c text.bz2 >text.back
    cmp text text.back
    head -c 4000 text.bz2 >cut.bz2
    traced bzip2 -t cut.bz2
}

need_pigz() { need pigz awk cmp; }
job_pigz() {
    text 12000 >text
    traced pigz -p 4 -b 128 -n -T -c text >text.gz
    traced pigz -d -c text.gz >text.back
    cmp text text.back
    traced pigz -t -v text
}

need_pbzip2() { need pbzip2 awk cmp; }
job_pbzip2() {
    text 2400 >text
    traced pbzip2 -p4 -1 -b1 -m8 -c text >text.bz2
    traced pbzip2 -d -p4 -c text.bz2 >text.back
    cmp text text.back
}

need_lbzip2() { need lbzip2 awk cmp; }
job_lbzip2() {
    text 4000 >text
    traced lbzip2 -n 4 -1 -c text >text.bz2
    traced lbzip2 -d -n 4 -c text.bz2 >text.back
    cmp text text.back
}

need_plzip() { need plzip awk cmp; }
job_plzip() {
    text 3000 >text
    traced plzip -n 4 -0 -B 64KiB -c text >text.lz
    traced plzip -d -n 4 -c text.lz >text.back
    cmp text text.back
}

need_zstd() { need zstd awk cmp; }
job_zstd() {
    text 12000 >text
    traced zstd -q -1 -T4 -B262144 -c text >text.zst
    traced zstd -q -d -c text.zst >text.back
    cmp text text.back
    traced zstd -q -t text
}

need_lz4() { need lz4 awk cmp; }
job_lz4() {
    text 12000 >text
    traced lz4 -q -1 -c text >text.lz4
    traced lz4 -q -d -c text.lz4 >text.back
    cmp text text.back
}

# files: a small tree whose times and modes are the same in both runs.
files() {
    local i
    umask 022
    for i in 1 2 3 4 5 6 7 8 9; do
        mkdir -p "tree/folder$((i % 3))"
        text "$((i * 30))" >"tree/folder$((i % 3))/file$i"
    done
    ln -s folder1 tree/link
    find tree -exec touch -h -d 2001-02-03T04:05:06Z {} +
}

need_tar() { need tar gzip find awk; }
job_tar() {
    files
    traced tar -c -f all.tar --sort=name --owner=0 --group=0 --numeric-owner tree
    traced tar -c -z -f all.tar.gz --sort=name tree # through a child
    rm all.tar.gz
    mkdir out
    traced tar -x -f all.tar -C out
    diff -r tree out/tree
    traced tar -t -v -f all.tar --numeric-owner
    traced tar -d -f all.tar
    traced tar -x -f no_such_file.tar
}

need_cpio() { need cpio find sort awk; }
job_cpio() {
    files
    find tree | sort >names
    traced cpio --quiet -o -H newc --reproducible -R 0:0 -O "$work/all.cpio" <names # has inode numbers
    mkdir out
    traced cpio --quiet -i -d -m -D out --no-preserve-owner -I "$work/all.cpio"
    diff -r tree out/tree
    traced cpio --quiet -i -t -I "$work/all.cpio"
    head -c 3000 "$work/all.cpio" >"$work/cut.cpio"
    traced cpio --quiet -i -t -I "$work/cut.cpio"
    rm names
}

need_zip() { need zip unzip find awk; }
job_zip() {
    files
    traced zip -q -r -X all.zip tree
    traced unzip -l all.zip
    mkdir out
    traced unzip -q all.zip -d out
    traced unzip -t all.zip
    traced unzip -q no_such_file.zip
}

need_openssl() { need openssl awk cmp; }
job_openssl() {
    text 800 >text
    traced openssl dgst -sha256 -sha3-512 text
    traced openssl enc -aes-256-cbc -pbkdf2 -iter 100 -S 0102030405060708 -pass pass:secret -in text -out text.enc
    traced openssl enc -d -aes-256-cbc -pbkdf2 -iter 100 -pass pass:secret -in text.enc -out text.back \
        -S 0102030405060708
    cmp text text.back
    traced openssl prime -generate -bits 64 >"$work/prime" # another one each time
    traced openssl asn1parse -genstr UTF8:words -noout -out string.der
    traced openssl x509 -in text 2>/dev/null # has addresses
}
