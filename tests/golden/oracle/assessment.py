"""The assessment basis of energy intensity by METHOD (j) alone, and the comparison with the service's answers.

    python tests/golden/oracle/assessment.py        # METHOD's vectors, nothing else needed
"""

from decimal import ROUND_HALF_EVEN, Decimal, getcontext

getcontext().prec = 60
ELECTRICITY = Decimal("0.1229")  # kgce/kWh, which is tce/MWh
PHYSICAL_FIRST = ["self_use", "direct", "trade", "certificate"]
HOME = "chongqing"
TARGET = Decimal("0.16")


def rounded(value: Decimal, places: int) -> str:
    return str(value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN))


def saving(target: Decimal, base_energy: Decimal, base_value: Decimal, value: Decimal) -> Decimal:
    """The saving that the target requires: target x base energy x V_t / V_base."""
    return target * base_energy * value / base_value


def assessed(gross: Decimal, certificates: list, raw_material: Decimal, required: Decimal) -> Decimal:
    """E_gross less raw material and recognized non-fossil electricity; a certificate is (kind, region, tce)."""
    others = sum((tce for kind, region, tce in certificates if kind == "certificate" and region != HOME), Decimal(0))
    rest = sum((tce for kind, region, tce in certificates if kind != "certificate" or region == HOME), Decimal(0))
    return gross - raw_material - rest - min(others, required / 2)


def compare(check, answer, gross: Decimal, value: Decimal, base: tuple, certificates: list, raw_material: Decimal) -> None:
    """Compares the two bases of a figure with the method; `base` is gross energy and value added of the base year."""
    what = f"{answer.name} {answer.period.first[:4]}"
    claims = [(c.kind, c.region, Decimal(c.mwh) * ELECTRICITY) for c in certificates]
    left = assessed(gross, claims, raw_material, saving(TARGET, *base, value))
    of = answer.assessment
    check.same(f"{what} rule set", of.rule_set, "assessment-2024")
    check.same(f"{what} gross intensity", of.gross_value, rounded(gross / value, 6))
    check.same(f"{what} assessed energy", of.assessed.value, rounded(left, 6))
    check.same(f"{what} assessed intensity", of.assessed_value, rounded(left / value, 6))
    kinds = [line.kind for line in of.deductions if line.kind != "raw_material"]
    check.same(f"{what} order", ",".join(kinds), ",".join(sorted(kinds, key=PHYSICAL_FIRST.index)))
    deducted = sum((Decimal(line.deducted.value) for line in of.deductions), Decimal(0))
    # Each line has six decimals.
    room = Decimal(len(of.deductions)) * Decimal(1).scaleb(-6)
    near = abs(gross - left - deducted) <= room
    check.same(f"{what} lines", "near" if near else str(deducted), "near")


def vectors() -> None:
    base, year = Decimal(1000), Decimal(1100)
    fall = lambda left: rounded((1 - left / year) * 100, 4)
    required = saving(TARGET, base, base, year)
    assert fall(base) == "9.0909"
    assert fall(assessed(base, [("self_use", HOME, Decimal(60))], Decimal(40), required)) == "18.1818"
    assert required == 176
    other = [("certificate", "sichuan", Decimal(200))]
    left = assessed(base, other, Decimal(40), required)
    assert rounded(left / year, 6) == "0.792727" and fall(left) == "20.7273"
    assert assessed(base, [], Decimal(0), required) is not None and assessed(base, [], Decimal(0), required) == base


if __name__ == "__main__":
    vectors()
    print("METHOD (j): the vectors hold")
