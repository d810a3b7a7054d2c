"""Figures and one HTML template."""

from ._claims import claims_figure as claims_figure
from ._figure import COLOURS as COLOURS, GUIDE as GUIDE, INK as INK, Figure as Figure, draw as draw
from ._gallery import write_gallery as write_gallery
from ._label import label_ends as label_ends
from ._learn import learn_content as learn_content, write_learn_report as write_learn_report
from ._losses import LossCurve as LossCurve, test_error_figure as test_error_figure
from ._modes import (
    HalfTimes as HalfTimes,
    ModeCurves as ModeCurves,
    difference_figure as difference_figure,
    half_time_scatter as half_time_scatter,
    mode_overlay as mode_overlay,
)
from ._page import ReportContent as ReportContent, report_html as report_html, write_report as write_report
from ._phase import (
    PhaseAxis as PhaseAxis,
    PhaseDiagram as PhaseDiagram,
    phase_figure as phase_figure,
    write_phase_report as write_phase_report,
)
from ._reconstruct import write_reconstruct_report as write_reconstruct_report
from ._scoreboard import write_scoreboard_report as write_scoreboard_report
from ._sequence import length_figure as length_figure, write_sequence_report as write_sequence_report
from ._sequence_text import write_text_report as write_text_report
from ._spectrum import spectrum_figure as spectrum_figure
from ._study import study_content as study_content, write_study_report as write_study_report
from ._symbol_graph import draw_symbol_graph as draw_symbol_graph, symbol_colour as symbol_colour
from ._table import Bars as Bars, Column as Column, Pixels as Pixels, Table as Table, table_html as table_html
