# bash completion for vitrine(1): `vitrine complete' knows what may follow.

_vitrine() {
	local line=$COMP_LINE words=() n=-1 i w candidate what rest dirs cur cut

	# bash splits words at ":" and "=": join what stood together.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		if ((n < 0)) || [[ $line == [[:space:]]* ]]; then
			line=${line#"${line%%[![:space:]]*}"}
			((++n))
			words[n]=$w
		else
			words[n]+=$w
		fi
		line=${line#"$w"}
	done
	# Without the quoting; nothing is run.
	for ((i = 1; i <= n; i++)); do
		w=${words[i]//\\/}
		w=${w#[\'\"]}
		words[i]=${w%[\'\"]}
	done
	cur=${words[n]}
	# What readline will not replace.
	cut=
	[[ $cur == *[:=]* ]] && cut=${cur%"${cur##*[:=]}"}
	rest=
	if [[ $cur == --*=* ]]; then
		rest=${cur%%=*}=
		words[n]=${rest%=}
		words[n + 1]=${cur#*=}
	fi
	COMPREPLY=()
	while IFS=$'\t' read -r candidate what; do
		case $candidate in
		:nospace)
			compopt -o nospace 2>/dev/null
			;;
		:files|:directories)
			dirs=-f
			[[ $candidate == :directories ]] && dirs=-d
			compopt -o filenames 2>/dev/null
			while IFS= read -r w; do
				COMPREPLY+=("$w")
			done < <(compgen "$dirs" -- "${words[@]: -1}")
			;;
		*)
			candidate=$rest$candidate
			candidate=${candidate#"$cut"}
			printf -v candidate %q "$candidate"
			COMPREPLY+=("$candidate")
			;;
		esac
	done < <("${COMP_WORDS[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _vitrine vitrine
