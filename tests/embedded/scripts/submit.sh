test -z "$TOSCA_JOB_ID" || { touch "$folder/cancelled-$TOSCA_JOB_ID"; return 0; }
export TOSCA_JOB_ID=job-5
