#!/bin/bash
# A search on a Ray cluster of SLURM nodes. It goes on where it was when SLURM starts it again:
#   sbatch --nodes=4 docs/cluster/slurm.sh digits-cells --study cells --workers 4 --gpus-per-worker 1 --storage postgresql+psycopg://…
#SBATCH --job-name=automl
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# USR1 comes to this script two minutes before the end, and is handed on to the search, which ends cleanly.
#SBATCH --signal=B:USR1@120
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: sbatch slurm.sh TARGET --study NAME --storage URL [options of automl search]" >&2
    exit 2
fi

export RAY_metric_cardinality_level=low # tasks are named by trial, which Ray's own metrics need not keep
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{ print $1 }'):6379

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --port=6379 --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
until ray health-check --address "$address" >/dev/null 2>&1; do sleep 2; done
if [ "${#nodes[@]}" -gt 1 ]; then
    others=$(
        IFS=,
        echo "${nodes[*]:1}"
    )
    srun --overlap --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --nodelist="$others" \
        ray start --address="$address" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
    until [ "$(ray list nodes --address "$address" --filter state=ALIVE --limit 10000 --format json | grep -c '"node_id"')" -ge "${#nodes[@]}" ]; do
        sleep 2
    done
fi

warned=
automl search "$@" --ray-address "$address" &
search=$!
trap 'warned=1; kill -USR1 "$search"' USR1
trap 'kill -TERM "$search"' TERM

# A trap ends `wait`, so it is asked again until the search itself has ended.
code=0
while :; do
    wait "$search" && code=0 || code=$?
    kill -0 "$search" 2>/dev/null || break
done

if [ -n "$warned" ] && [ "$code" -gt 128 ]; then
    scontrol requeue "$SLURM_JOB_ID" # its time was over, and it is not: SLURM starts it again, and the study goes on
fi
exit "$code"
