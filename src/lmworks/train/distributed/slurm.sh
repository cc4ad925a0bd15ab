#!/usr/bin/env bash
#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --time={time}
#SBATCH --output={name}-%j.log
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
{more}set -euo pipefail

# Steps before training run on the first node; training starts a process for each device on all nodes, from the last
# checkpoint when the job was put back into the queue. Recipe, store and this environment must be on a shared disk.
export LMWORKS_RENDEZVOUS="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):29400"
trap 'kill -TERM "$build"; wait "$build"' TERM
{command} &
build=$!
wait "$build"
