echo "given <$v> <$f>"
echo "$v" >> "$folder/said"
python3 -c 'import os; print(float(os.environ["f"]))' >> "$folder/said"
