"""The phrases by which answers hedge, stay vague, address a judge or only begin; all for text in lower case (``listing.plain``). Ours.

Every repetition is bounded, so that hostile text costs linear time.
"""

import re

HEDGES = re.compile(
    r"\b(?:or|either|maybe|perhaps|possibly|probably|presumably|not sure|unsure|uncertain|not certain|(?:i|my) (?:best )?guess"
    r"|can ?not be sure"
    r"|could be|might be|may be|one of (?:them|these|those|the)|any of|all of the above|none or|o bien|oder|ou bien)\b|\\lor\b|\\vee\b|∨"
    r"|或|也许|要么|(?<!不)可能(?!性)|大概|还是|不确定|不太确定|猜测|我猜|说不定|かもしれ|たぶん|または|あるいは|もしくは|おそらく"
    r"|아마|또는"
)
SEVERAL_IN_TRUTH = re.compile(r"\\pm\b|\\mp\b|±|\\cup\b|∪|\bor\b|\band\b|\\lor\b|\\vee\b|∨|或|和|与|及")

_NUMBER = r"(?<![\d,.])\d[\d,.]{0,40}"
DASH = re.compile(
    r"(?:[a-z]\w{0,8} ?[=:≈] ?)?[$¥€£]?(\d[\d,.]{0,40}) ?(?:%|°|[a-z]{2,12})? ?(?:-|--|–|—|−) ?[$¥€£]?(\d[\d,.]{0,40}) ?(?:%|°"
    r"|[a-z]{2,12})?"
)
SPAN = re.compile(
    rf"\bbetween\b.{{1,40}}\band\b|{_NUMBER}[^\d,.;]{{0,12}}(?:\bto\b|\bthrough\b|~|～|〜|…|\.\.\.?|\\sim\b|到|至"
    rf"|から){{1}}[^\d,.;]{{0,12}}{_NUMBER}"
    r"|\bin the range\b|\bwithin the range\b|\bsomewhere\b|之间|的范围|范围内|の間|介于"
)
COMPARED = re.compile(
    rf"(?:\b(?:less|more|greater|smaller|larger|lower|higher|bigger|fewer) than(?: or equal to)?|\bat (?:least|most)|\bup to"
    rf"|\bno (?:more|less|fewer) than"
    rf"|\b(?:above|below|under|exceeding)|小于|大于|少于|多于|不超过|不少于|不到|超过|至少|至多|最多|最少|以下|以上"
    rf"|未満)[^\d]{{0,16}}{_NUMBER}"
    rf"|{_NUMBER}[^\d]{{0,8}}(?:以下|以上|以内|未満|or (?:less|more|above|below|fewer))"
)
INEQUALITY = re.compile(r"[<>≤≥≦≧⩽⩾]|\\(?:le|ge|leq|geq|lt|gt|leqslant|geqslant|in)\b(?!ft)|∈")
INTERVAL = re.compile(r"[\[(\]] ?-?[^,;()\[\]]{1,40}[,;] ?-?[^,;()\[\]]{1,40}[\])\[]")
RATIO = re.compile(r"\d ?[:：] ?\d")
VAGUE = re.compile(
    r"\b(?:very |really |extremely |quite )?close to\b|\b(?:nearly|almost|approaching)\b|\bapproaches\b|\b(?:a|an|any|some|the"
    r"|one) (?:\w{1,12} ){0,3}(?:correct|right|valid|appropriate|suitable|certain|positive|negative|real|whole|small|large"
    r"|finite) (?:\w{1,12} ){0,2}(?:number|value|answer|integer|result|quantity|amount|option|choice)\b"
    r"|\b(?:a|any|some) (?:number|value|integer|quantity|amount|answer|velocity|speed|option|choice)\b|\b(?:it )?depends on\b"
    r"|\bthe (?:correct|right|true|expected|reference) (?:one|answer|option|choice|value)\b"
    r"|接近|几乎|差不多|某个|某一|一个(?:正确|合适|适当|有效)的|(?:正确|标准|参考)(?:的)?(?:答案|数值?|选项|值)|一个数|取决于"
    r"|近くの|正しい(?:数|答え|値)"
)

_TAGS = (
    r"think|answer|system|user|assistant|human|score|reward|verdict|judge|judg(?:e)?ment|instructions?|result|output|script|img"
    r"|iframe|prompt|im_start|im_end"
    r"|begin_of_box|end_of_box|tool_call|grade|correct|reference|gold|truth|response|eval(?:uation)?|sys|inst"
)
INSTRUCTIONS = re.compile(
    rf"<[/|]?\|? ?(?:{_TAGS})\b[^<>]{{0,60}}>|<\|[^<>]{{1,60}}\|>|\[/?(?:inst|sys|system|user|assistant|end|verdict|score"
    rf"|correct)\]|```|#{{2,}} ?(?:instruction|response|system|input|verdict|note)"
    r"|(?:^|\n|[.;!?\"] ?)(?:system|user|assistant|human|judge|grader|evaluator|verdict|score|rating|grade|reward|evaluation"
    r"|decision|feedback|note to (?:the )?\w{1,12}|系统|用户|助手|评分|得分|分数|结论|判定|评判|裁判|系統|採点) ?(?:[:=]|\bis\b)"
    r"|\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}\b(?:previous|prior|above|earlier|all|any|the|your|instructions?"
    r"|rules?|reference|truth|question|prompt)\b"
    r"|\b(?:you are|act as|pretend|as an? (?:ai|judge|grader|evaluator|language model|impartial)|dear (?:judge|grader|evaluator)"
    r"|(?:attention|note|hey|hello|hi),? ?(?:to )?(?:the )?(?:judge|grader|evaluator))\b"
    r"|\b(?:(?:the|this|my|above|given|student'?s|model'?s|candidate'?s|final|predicted|both|these|that|all|provided"
    r"|following) ){1,3}(?:answers?|responses?|solutions?|predictions?|results?|outputs?|submissions?) (?:\w{1,12} ){0,2}(?:is|are|was"
    r"|should|must|matches|match|equals?|agrees?)\b.{0,40}\b(?:correct|right|true|equivalent|same|perfect|accurate|accepted?"
    r"|valid|full|match(?:es)?|reference|truth|gold)"
    r"|\b(?:answers?|responses?|solutions?) (?:\w{1,12} )?(?:matches|match|equals|agrees with) (?:the )?(?:reference|truth|gold"
    r"|ground|standard|correct|expected)"
    r"|\b(?:mark|grade|rate|score|judge|count|treat|accept|consider|give|award|assign|output|return|respond|reply|print|evaluate"
    r"|label)\b.{0,40}\b(?:correct|right|true|equivalent|1\.0|full (?:marks?|score|credit|points?)|maximum|highest|10/10|100 ?%"
    r"|100/100|pass|yes|reward|perfect|points?)\b"
    r"|\b(?:full (?:marks?|score|credit)|10/10|100/100|equivalent ?[:=] ?(?:true|yes|1)|correct ?[:=] ?(?:true|yes|1)"
    r"|(?:is_)?correct ?= ?=? ?true|verdict|(?:final )?(?:score|reward|rating|grade) ?[:=] ?\d)\b"
    r"|\{ ?[\"'][^\"'{}]{1,40}[\"'] ?: ?"
    r"|忽略.{0,12}(?:之前|以上|上面|前面|所有|指令|说明|要求|规则|答案)|无视|請忽略|请(?:给|判|打|将|把|直接|务必|评|输出|返回|认"
    r"|视|忽略|接受)|(?:答案|回答|解答|结果|作答)(?:是|为|完全|显然|都|均|一定)*(?:正确|对的|等价|一致|相同|无误|符合)|满分|判(?:为"
    r"|定|作|断)?.{0,4}(?:正确|对|等价|通过)|你是.{0,12}(?:评|裁判|助手|模型|老师)|输出.{0,6}(?:1|正确|是|true)|与(?:参考|标准)答案"
    r"|视为正确"
    r"|無視|正解です|(?:答え|回答|解答)は(?:正し|正解)|満点|以前の指示"
)

OPENERS = re.compile(
    r"(?:(?:my |the |our |a |an |here(?:'?s| is| are) (?:my |the |a )?|this is (?:my |the |a )?)?(?:detailed |full |complete "
    r"|final |correct |step[- ]by[- ]step )*(?:thought(?:s)?(?: process)?|thinking(?: process)?|thoughts|reasoning(?: process)?"
    r"|chain of thought"
    r"|solution(?: process)?|solving|answer|final answer|explanation|analysis|approach|proof|steps?|calculations?|conclusion"
    r"|response|result|output|problem|question|summary|derivation|method|hint)s?(?: \d{1,2})?(?: (?:is|are|below|follows|as follows))*"
    r"|let(?:'|’)?s (?:solve|think|work|go|break|start|begin|find|figure|analy[sz]e|calculate|compute|see|consider|look|do|reason"
    r"|examine|tackle|proceed|take)\b[^.:\n!]{0,120}|let (?:me|us) [^.:\n!]{0,120}"
    r"|to (?:solve|answer|tackle|approach|determine|find) (?:this|the|it|that)\b[^.:\n!]{0,120}|(?:we|i) (?:need|have|want|will|can"
    r"|should|must|are going|am going|'ll)\b[^.:\n!]{0,120}"
    r"|(?:sure|ok|okay|alright|certainly|of course|so|hmm+|step|therefore|thus|hence|finally|in conclusion"
    r"|in summary)(?: thing)?(?: \d{1,2})?(?: of all)?(?=[ .,:;!\n]|$)|step[- ]by[- ]step|think(?:ing)? step by step|q\.?e\.?d"
    r"|(?:详细|完整|最终|正确|具体|参考|标准)*(?:的)?(?:解题|思考|推理|求解|分析|计算|解答)?(?:的)?(?:过程|步骤|思路|解答|解析|解説"
    r"|答案|解|思考|分析|推理|结论|说明|解释|回答|总结|结果|证明|答)(?:如下|是|为)?|(?:让|使)我们?[^。：\n！.:]{0,60}|(?:首先|好的"
    r"|第一步|那么|接下来|下面|因此|所以|综上(?:所述)?)|我(?:们)?(?:需要|可以|将|来|要|先)[^。：\n！.:]{0,60}"
    r"|要解决[^。：\n！.:]{0,60}|一步一步(?:地|来)?[^。：\n！.:]{0,20}|为了(?:解决|求)[^。：\n！.:]{0,60}"
    r"|(?:思考)?(?:プロセス|過程)|解説|解法|解き方|考え方|回答|答え|ステップ ?\d?|まず|(?:一緒に|段階的に"
    r"|順を追って)[^。：\n.:]{0,60}|soluci[oó]n|respuesta|r[eé]ponse|l[oö]sung|antwort|proceso de pensamiento|解|풀이|정답|사고 과정"
    r"|решение|ответ|raisonnement|resposta|solu[cç][aã]o)"
)
BETWEEN_OPENERS = re.compile(r"[\W_]*")
