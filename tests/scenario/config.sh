#!/bin/sh
# Configuration files: what counts more, profiles, and what a mistake says.
. "$(dirname "$0")/lib.sh"

XDG_CONFIG_HOME=$T/home/.config
export XDG_CONFIG_HOME
F=$XDG_CONFIG_HOME/vitrine/config
mkdir -p "$(dirname "$F")" "$T/src/keep" "$T/other"
echo one >"$T/src/keep/one"
echo two >"$T/src/two.o"
echo text >"$T/src/text"
echo three >"$T/other/three.c"
unset VITRINE_REPOSITORY VITRINE_PASSWORD
echo 'a scenario pass phrase' >"$T/home/pass"

config() {
	cat >"$F"
}
wrong() {
	config
	fails 2 vitrine snapshots
}

step "without a file"
ok vitrine config
says "$F \(not there\)"
says 'GLOBAL: nothing is set'
fails 2 vitrine snapshots
says 'which repository'

step "options and arguments from the file"
config <<END
# what there is
repo = $R
password-file = ~/pass

[backup]
exclude = *.o
argument = $T/src

[profile other]
repo = $T/repo2
[profile other backup]
tag = from the profile
argument = $T/other
argument = $T/src
END
ok vitrine init
ok vitrine backup
ok vitrine ls latest:$T/src
says keep
says_not two.o
ok vitrine snapshots
says '^1 snapshot'
ok vitrine config backup
says "repo +$R +$F:2"
says "password-file +~?[^ ]*/pass +$F:3"
says "exclude +\*\.o +$F:6"
says "argument +$T/src +$F:7"

step "a profile"
ok vitrine -p other init
ok vitrine backup --profile other
ok vitrine -p other snapshots
says '^1 snapshot'
says 'from the profile'
ok vitrine -p other ls latest:$T/other
says three.c
ok vitrine -p other config backup
says "repo +$T/repo2 +$F:10"
fails 2 vitrine -p othr snapshots
says 'no profile "othr"; did you mean "other"'

step "what counts more"
ok vitrine backup "$T/src" --exclude 'keep'
ok vitrine ls latest:$T/src
says_not 'keep|two.o'
ok vitrine backup "$T/src" --no-exclude
ok vitrine ls latest:$T/src
says two.o
VITRINE_REPOSITORY=$T/repo2 ok vitrine config
says "repo +$T/repo2 +VITRINE_REPOSITORY"
ok vitrine config -r elsewhere
says 'repo +elsewhere +command line'
# A secret of the environment, whichever, is before those of the files.
VITRINE_PASSWORD=wrong fails 12 vitrine snapshots
VITRINE_PASSWORD='a scenario pass phrase' ok vitrine config
says_not password-file
ok vitrine config --key-file x
says_not password-file
fails 2 vitrine snapshots --no-password-file
says 'no passphrase'

step "mistakes"
wrong <<END
rpo = x
END
says "$F:1: unknown key \"rpo\"; did you mean \"repo\""
wrong <<END

exclude = x
END
says "$F:2: unknown key \"exclude\"; outside of a command's section"
wrong <<END
[bakup]
END
says "$F:1: \[bakup\] is no command; did you mean \[backup\]"
wrong <<END
[backup]
xclude = x
END
says "$F:2: unknown key .*\"exclude\""
wrong <<END
[profile a/b]
END
says "$F:1: \"a/b\" is no name"
wrong <<END
[backup
END
says "$F:1: a section ends with"
wrong <<END
hello
END
says "$F:1: this is neither"
wrong <<END
memory = much
END
says "$F:1: option --memory: "
wrong <<END
[backup]
dry-run = maybe
END
says "$F:2: dry-run is yes or no, not \"maybe\""
wrong <<END
repo = a
repo = b
END
says "$F:2: repo stands in $F:1 already"
wrong <<END
password-file = a
key-file = b
END
says "$F:2: key-file contradicts password-file in $F:1"
wrong <<END
help = yes
END
says "$F:1: unknown key"
wrong <<END
[version]
argument = x
END
says "$F:2: version takes no arguments"
printf 'repo = \0' | wrong
says 'this is no text'
echo "repo = x" | config
chmod 666 "$F"
fails 2 vitrine snapshots
says 'others may write it.*chmod go-w'
ok vitrine help
ok vitrine version
if [ "$(id -u)" = 0 ]; then
	chmod 644 "$F"
	chown 1234 "$F"
	fails 2 vitrine snapshots
	says 'belongs to another user'
fi
rm "$F"
mkdir "$F"
fails 2 vitrine snapshots
says 'not a file'
